"""How netdoc is handed out: wheel, archives that need no Python, krew."""
