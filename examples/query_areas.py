"""Asks the areas of a committed run: which class covers how much, and where is most of it?

python examples/query_areas.py OUTPUT CLASS
"""

from __future__ import annotations

import sys

import duckdb

AVERAGES = """
    select class_name, count(*) as pictures, round(avg(fraction), 3) as where_it_occurs,
           round(sum(fraction) / (select count(*) from read_parquet($masks)), 3) as over_all
    from read_parquet($areas) group by class_name order by over_all desc, class_name
"""
MOST_OF_ONE = """
    select parse_filename(image_uri) as picture, round(fraction, 3) as fraction
    from read_parquet($areas) where class_name = $class order by fraction desc, picture limit 3
"""


def main(output: str, class_name: str) -> None:
    """Prints both tables."""
    areas = f"{output}/class_areas/*.parquet"
    print(duckdb.sql(AVERAGES, params={"areas": areas, "masks": f"{output}/masks/*.parquet"}))
    print(duckdb.sql(MOST_OF_ONE, params={"areas": areas, "class": class_name}))


if __name__ == "__main__":
    main(*sys.argv[1:])
