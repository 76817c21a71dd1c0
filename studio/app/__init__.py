"""The window: its loop, input, menus, panels, dialogs and notes."""
