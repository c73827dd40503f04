"""Why: what a network looks at, whether populations differ or are alike, and how far an answer can be trusted.

Import from the files: `statistics` and `unlike` need no torch, `feature_maps`, `cam` and `sanity` do.
"""
