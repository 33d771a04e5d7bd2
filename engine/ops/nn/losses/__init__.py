"""Losses as Keras has them: (y_true, y_pred), averaged over the batch unless `reduction` says otherwise."""
