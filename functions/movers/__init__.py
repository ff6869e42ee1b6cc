"""movers"""
