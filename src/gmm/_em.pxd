"""What other compiled code may use (``from gmm._em cimport ...``)."""
from gmm._linear cimport DIAGONAL, FULL, SPHERICAL, TIED, Layout
from gmm._blas cimport real
from gmm._twin cimport normalise_soft
