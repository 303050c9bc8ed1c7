"""The papers' tables, one file per paper."""
