/* The functions of tile.h and what it includes, as every module calls them: tables, one for each set and type. */
#ifndef GMM_LEAVES_H
#define GMM_LEAVES_H

#include <stddef.h>

#define TILE_PAD 256   /* bytes of rows, a strip: four of the widest vectors */
#define TILE_PANEL 128 /* bytes of results that few_rows.h computes together */

/* The comment at each function states what it does. */
#define TILE_LEAVES(real)                                                                                              \
    typedef struct {                                                                                                   \
        void (*multiply)(const real *, ptrdiff_t, const real *, ptrdiff_t, real *, ptrdiff_t, ptrdiff_t, ptrdiff_t,    \
                         ptrdiff_t);                                                                                   \
        void (*add_products)(const real *, ptrdiff_t, const real *, ptrdiff_t, double *, ptrdiff_t, ptrdiff_t,         \
                             ptrdiff_t, ptrdiff_t);                                                                    \
        void (*quadratic)(const real *, ptrdiff_t, const real *, ptrdiff_t, real *, ptrdiff_t, ptrdiff_t, ptrdiff_t);  \
        void (*add_quadratic)(const real *, const real *, ptrdiff_t, double *, ptrdiff_t, ptrdiff_t, ptrdiff_t,        \
                              ptrdiff_t);                                                                              \
        void (*triangular)(const real *, const real *, ptrdiff_t, const real *, double, real *, real *, ptrdiff_t,     \
                           ptrdiff_t);                                                                                 \
        void (*add_scatter)(const real *, ptrdiff_t, const real *, const real *, real *, double *, double *,           \
                            ptrdiff_t, ptrdiff_t);                                                                     \
        void (*diagonal)(const real *, ptrdiff_t, const real *, ptrdiff_t, const real *, double, real *, ptrdiff_t,    \
                         ptrdiff_t);                                                                                   \
        void (*add_axis_moments)(const real *, ptrdiff_t, const real *, const real *, double *, double *, ptrdiff_t,   \
                                 ptrdiff_t, ptrdiff_t);                                                                \
        void (*subtract)(const real *, real, real *, ptrdiff_t);                                                       \
        void (*times)(const real *, const real *, real *, ptrdiff_t);                                                  \
        void (*choose)(const real *, ptrdiff_t, ptrdiff_t, ptrdiff_t, real *, real *);                                 \
        void (*normalise)(real *, ptrdiff_t, ptrdiff_t, ptrdiff_t, const real *, real *);                              \
        void (*entropies)(const real *, ptrdiff_t, ptrdiff_t, ptrdiff_t, real *, real *, real *);                      \
        void (*heavy_tails)(real *, ptrdiff_t, ptrdiff_t, ptrdiff_t, const double *, const double *, double, real *);   \
        void (*weigh_by_precision)(real *, ptrdiff_t, ptrdiff_t, ptrdiff_t, const real *, double *);                    \
        void (*share_by_powers)(real *, ptrdiff_t, ptrdiff_t, ptrdiff_t, const double *, double, ptrdiff_t,             \
                                const real *, real *, real *, double *);                                               \
        void (*low_rank)(const real *, const real *, const double *, const real *, ptrdiff_t, real *, real *, real *,  \
                         ptrdiff_t, ptrdiff_t, ptrdiff_t, ptrdiff_t);                                                  \
        void (*few_multiply)(const real *, const real *, ptrdiff_t, real *, ptrdiff_t, ptrdiff_t, ptrdiff_t,           \
                             ptrdiff_t);                                                                               \
        void (*few_quadratic)(const real *, const real *, ptrdiff_t, real *, ptrdiff_t, ptrdiff_t, ptrdiff_t,          \
                              ptrdiff_t);                                                                              \
        void (*few_triangular)(const real *, const real *, ptrdiff_t, double, real *, ptrdiff_t, ptrdiff_t);           \
        void (*few_diagonal)(const real *, const real *, ptrdiff_t, const double *, real *, ptrdiff_t, ptrdiff_t,      \
                             ptrdiff_t, ptrdiff_t);                                                                    \
    } tile_leaves_##real;
TILE_LEAVES(double)
TILE_LEAVES(float)

#define ERRORS_ROWS 64 /* of a block of rows with errors of their own */
#define ERRORS_LANES 8 /* of the widest vector */

typedef struct { /* see deconvolve.h */
    void (*density)(const double *, const double *, ptrdiff_t, int, const double *, const double *, double, double *,
                    double *);
    void (*scores)(const double *, const double *, ptrdiff_t, int, const double *, const double *, const double *,
                   double *, double *);
    void (*collect)(const double *, ptrdiff_t, double *);
} errors_leaves;

#endif
