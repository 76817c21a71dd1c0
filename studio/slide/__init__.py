"""Slides: opening them, their pixels at any resolution, and where their tissue is."""

from studio.slide.tissue import TissueMask
from studio.slide.wsi import TILE_PX, WSI, open_slide

__all__ = ["TILE_PX", "WSI", "TissueMask", "open_slide"]
