"""One file of curves or spectra: what is in it, what is fitted to it, and the table, maps and figures that come out."""
