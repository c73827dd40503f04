"""One file of curves or spectra → table, maps and figures: `sharptip fit FILE`."""
