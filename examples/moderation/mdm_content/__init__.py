"""Content moderation: real mail as a data source, what its words say, and what a person has to look at."""

from mdm_content.offence import OffenceExtractor
from mdm_content.review import Review
from mdm_content.source import MailSource
from mdm_content.words import WordsExtractor

__all__ = ["MailSource", "OffenceExtractor", "Review", "WordsExtractor"]
