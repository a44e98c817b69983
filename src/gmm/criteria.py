"""Criteria that weigh a mixture's fit against its size: BIC, AIC and ICL.

Here live formulas over plain numbers, all with the sign "smaller is better". How the
log-likelihood is measured, and which cells are compared, lives elsewhere.
"""

from math import log

__all__ = ["CRITERIA", "aic", "bic", "evaluate", "icl"]

CRITERIA = ("bic", "aic", "icl")


def bic(loglik: float, n_parameters: int, n: float) -> float:
    """Return the Bayesian information criterion, ``-2 loglik + p ln n``.

    Parameters
    ----------
    loglik : float
        Total log-likelihood of the data, nats.
    n_parameters : int
        Number of free parameters of the mixture, p.
    n : float
        Number of rows; for weighted data the sum of the weights.

    Returns
    -------
    float
        The criterion, nats; smaller is better. (Some programs, among them mclust,
        print its negative.)

    References
    ----------
    G. Schwarz (1978). Estimating the dimension of a model. *Annals of Statistics* 6, 461-464.

    Examples
    --------
    >>> round(bic(-1126.326, 11, 272), 2)
    2314.32
    """
    return -2.0 * loglik + n_parameters * log(n)


def aic(loglik: float, n_parameters: int) -> float:
    """Return Akaike's information criterion, ``-2 loglik + 2 p``.

    Parameters
    ----------
    loglik : float
        Total log-likelihood of the data, nats.
    n_parameters : int
        Number of free parameters of the mixture, p.

    Returns
    -------
    float
        The criterion, nats; smaller is better.

    References
    ----------
    H. Akaike (1974). A new look at the statistical model identification. *IEEE Transactions
    on Automatic Control* 19, 716-723.

    Examples
    --------
    >>> aic(-100.0, 5)
    210.0
    """
    return -2.0 * loglik + 2.0 * n_parameters


def icl(classification_loglik: float, n_parameters: int, n: float) -> float:
    """Return the integrated completed likelihood, ``-2 loglik_c + p ln n``.

    It is BIC with each row counted under its most probable component alone, so it
    prefers components that do not overlap; it is never below BIC.

    Parameters
    ----------
    classification_loglik : float
        ``sum_i w_i max_k log rho_ik``, nats, where ``rho_ik`` is the joint density of row i
        and component k.
    n_parameters : int
        Number of free parameters of the mixture, p.
    n : float
        Number of rows; for weighted data the sum of the weights.

    Returns
    -------
    float
        The criterion, nats; smaller is better.

    References
    ----------
    C. Biernacki, G. Celeux, G. Govaert (2000). Assessing a mixture model for clustering with
    the integrated completed likelihood. *IEEE Transactions on Pattern Analysis and Machine
    Intelligence* 22, 719-725, the approximation of its section 3.

    Examples
    --------
    >>> icl(-100.0, 5, 1)
    200.0
    """
    return bic(classification_loglik, n_parameters, n)


def evaluate(loglik: float, classification_loglik: float, n_parameters: int, n: float) -> dict[str, float]:
    """Return every criterion of one fit by its name in ``CRITERIA``.

    Parameters
    ----------
    loglik, classification_loglik : float
        Total log-likelihoods, nats, as `bic` and `icl` take them.
    n_parameters : int
        Number of free parameters of the mixture.
    n : float
        Number of rows, or the sum of their weights.

    Returns
    -------
    dict of str to float
        One value per name, smaller is better.

    Examples
    --------
    >>> evaluate(-100.0, -101.0, 5, 1)
    {'bic': 200.0, 'aic': 210.0, 'icl': 202.0}
    """
    return {
        "bic": bic(loglik, n_parameters, n),
        "aic": aic(loglik, n_parameters),
        "icl": icl(classification_loglik, n_parameters, n),
    }
