"""Images in other sizes and places: interpolation, sampling on grids, pixels and channels, patches."""
