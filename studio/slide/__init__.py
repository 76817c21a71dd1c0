"""Slides: opening them, their pixels at any resolution, and where their tissue is."""

from studio.slide.mask import SlideMask
from studio.slide.pixels import TILE_PX
from studio.slide.roi import ROI, read_rois, write_rois
from studio.slide.tissue import TissueMask
from studio.slide.wsi import WSI, open_slide

__all__ = ["ROI", "TILE_PX", "WSI", "SlideMask", "TissueMask", "open_slide", "read_rois", "write_rois"]
