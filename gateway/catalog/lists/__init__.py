"""What lists and searches show: each page in a number of statements that does not grow with it.

One module for each noun; each names its filters (kind and condition) once, and how to find one thing by its number.
"""
