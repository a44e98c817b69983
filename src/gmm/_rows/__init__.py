"""Sources of rows, the checks that turn X into one, and tables written block by block.

`gmm.open_rows` is the function of `opening`: import modules by ``from gmm._rows.blocks import …``.
"""
