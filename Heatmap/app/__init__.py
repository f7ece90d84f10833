"""The stand-alone program: a chart window that uses the plugin as any host would."""
