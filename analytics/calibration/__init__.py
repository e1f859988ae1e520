"""Calibration: edge values and model parameters estimated from observed cascades.

`edges` estimates values of edges target by target with compiled `kernels`, `scores` judges them on other cascades,
`parameters` finds the parameters of any model whose simulated curves are like an observed one, and `published` keeps
all of it in tables.
"""
