"""What other compiled code may use (``from gmm._em cimport ...``)."""
from gmm._kernel.blas cimport real
from gmm._kernel.layout cimport DIAGONAL, FULL, SPHERICAL, TIED, Layout
from gmm._kernel.twin cimport normalise_soft
