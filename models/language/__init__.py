"""The parser: a masked language model that unmasks a logical form step by step."""
