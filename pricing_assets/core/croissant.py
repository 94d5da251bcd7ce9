"""The training set described in Croissant 1.0 (MLCommons), so that other tools find their way.

JSON-LD: what a table's columns are, in which file, with which hash. Facts of a build's
manifest only.
"""

from collections.abc import Mapping
from typing import Any

from pricing_assets.core.training import TABLES, files_of_manifest

CONTEXT: Mapping[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "equivalentProperty": "cr:equivalentProperty",
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
"""The context that the specification asks for, unchanged."""

ENCODING = "application/x-parquet"

DATA_TYPES: Mapping[str, str] = {
    "VARCHAR": "sc:Text",
    "INTEGER": "sc:Integer",
    "BIGINT": "sc:Integer",
    "DOUBLE": "sc:Float",
    "BOOLEAN": "sc:Boolean",
    "TIMESTAMPTZ": "sc:DateTime",
    "DECIMAL(12,2)": "sc:Float",
}
"""Croissant's name for a column's type. It has no exact decimal: the Parquet file has."""


def croissant(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return the description of a build.

    Args:
        manifest: The build's manifest.
    """
    month, build = manifest["month"], manifest["build_id"]
    simulated = ", simulated" if manifest["simulated"] else ""
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": f"pricing-assets-{month}",
        "description": f"Prices of sold items, examples by policy {manifest['policy']} as of "
        f"{manifest['as_of']}{simulated}. Build {build}.",
        "license": "; ".join(_licence(name, row) for name, row in manifest["licences"].items())
        or "unknown",
        "url": f"urn:pricing-assets:training-set:{month}:{build}",
        "version": f"{manifest['schema_version']}.0+{build}",
        "datePublished": manifest["as_of"],
        "citeAs": f"pricing-assets training set {month}, build {build}",
        "isLiveDataset": False,
        "distribution": [
            entry
            for table in manifest["tables"]
            for entry in (*_file_objects(manifest, table), *_file_sets(manifest, table))
        ],
        "recordSet": [_record_set(name, table) for name, table in manifest["tables"].items()],
    }


def _file_objects(manifest: Mapping[str, Any], table: str) -> list[dict[str, Any]]:
    return [
        {
            "@type": "cr:FileObject",
            "@id": name,
            "name": name,
            "contentUrl": name,
            "contentSize": f"{manifest['files'][name]['bytes']} B",
            "encodingFormat": ENCODING,
            "sha256": manifest["files"][name]["sha256"],
        }
        for name in files_of_manifest(manifest, table)
    ]


def _file_sets(manifest: Mapping[str, Any], table: str) -> list[dict[str, Any]]:
    """Return what makes one of a table's files, where they are in a directory of its name."""
    if not TABLES[table].bucketed:
        return []
    return [
        {
            "@type": "cr:FileSet",
            "@id": f"{table}-files",
            "name": f"{table}-files",
            "encodingFormat": ENCODING,
            "includes": f"{table}/*.parquet",
        }
    ]


def _record_set(name: str, table: Mapping[str, Any]) -> dict[str, Any]:
    source = (
        {"fileSet": {"@id": f"{name}-files"}}
        if TABLES[name].bucketed
        else {"fileObject": {"@id": TABLES[name].file_of()}}
    )
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": table["meaning"],
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"{name}/{column['name']}",
                "name": column["name"],
                "description": f"{column['role']}: {column['meaning']}",
                "dataType": DATA_TYPES[column["type"]],
                "source": {**source, "extract": {"column": column["name"]}},
            }
            for column in table["columns"]
        ],
    }


def _licence(source: str, licence: Mapping[str, Any]) -> str:
    return f"{source}: {licence.get('note') or 'unknown'}"
