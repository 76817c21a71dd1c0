"""Geometry, jobs, processes and caches: nothing here knows what a slide is."""
