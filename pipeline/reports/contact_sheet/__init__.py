"""Contact sheets: what came in and what came out, side by side, for people to look at."""

from beam_deeplab.pipeline.reports.contact_sheet.tiles import SheetRow as SheetRow
from beam_deeplab.pipeline.reports.contact_sheet.writing import (
    write_contact_sheet as write_contact_sheet,
)
