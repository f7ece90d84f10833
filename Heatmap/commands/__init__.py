"""The subcommands of ``heatmap``, one module each."""
