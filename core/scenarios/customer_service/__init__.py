"""Customer service: a chat that answers from templates and from what the service desk knows, or hands over."""
