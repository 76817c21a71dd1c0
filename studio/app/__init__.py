"""The window: frame loop, input, menus, dialogs, probe. Everything it can do lies in `studio.session`."""
