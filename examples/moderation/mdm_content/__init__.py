"""Content moderation: real mail as a data source, what its words say, and what a person has to look at."""

# Not the source: a plugin that is only listed imports nothing but itself and mdm.
from mdm_content.offence import OffenceExtractor
from mdm_content.review import Review
from mdm_content.words import WordsExtractor

__all__ = ["OffenceExtractor", "Review", "WordsExtractor"]
