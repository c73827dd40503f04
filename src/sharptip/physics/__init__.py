"""Laws of nature on plain numbers: contact mechanics, oscillators, switching. One law per file; knows no scan."""
