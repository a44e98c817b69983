"""The compiled pass, for other compiled code (``from gmm._em cimport ...``)."""
from gmm._block cimport DIAGONAL, FULL, SPHERICAL, TIED, Layout, data, normalise_soft
from gmm._blas cimport real
