"""Pretrained networks by name, and what tells them apart."""
