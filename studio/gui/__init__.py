"""The one package that knows the binding: controls, windows, fonts, themes, and what a panel is."""
