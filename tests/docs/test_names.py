"""One name, one thing: no two modules of one name, no two public classes of one name, no folder too large to see through."""

import ast
from collections import defaultdict
from pathlib import Path

BRIDGE = Path(__file__).parents[2] / "bridge"
KINDS = ("sources", "destinations", "emulators")
"""Rooms with a folder for each kind, which has the same file names as its neighbours."""

MODULES = {
    "access.py": "who may reach the receiver; who may use Adobe's APIs",
    "app.py": "the application of the command line, and Faust's",
    "calls.py": "calls of functions in the mapping language; calls of an emulated API",
    "checks.py": "a destination's checks, and the schema's",
    "connection.py": "settings of clients of Kafka; one HTTP connection",
    "data_access.py": "an API of Adobe's, its client and its emulation",
    "failed_records.py": "records of Adobe's failed batches, as they are read and as they are emulated",
    "fields.py": "fields of a schema that is checked, and of one that is set up",
    "identities.py": "identities in a mapping set, and namespaces of Adobe's",
    "policy.py": "what is done about wrong values, and how a destination is delivered to",
    "problems.py": "what checks say, and RFC 7807 problems",
    "reception.py": "several endpoints behind one port, and their composition",
    "refusals.py": "answers that refuse a request, and Adobe's",
    "registry.py": "functions of the mapping language, and Adobe's Schema Registry",
    "rules.py": "the rules of a kind, of lint, of XDM and of the registry",
    "tree.py": "settings before they are checked; a parsed regular expression",
    "trial.py": "a trial event, and Data Prep's trial of a mapping",
}
"""Names that two rooms share all the same, and what each means there."""

CLASSES = {
    "Account": "of a budget's use; of what was observed at Adobe",
    "Answer": "of Adobe's APIs",
    "Batch": "of events for a request; of records for a partition; of lines of an export",
    "Call": "a node of the syntax; a call of Adobe's API",
    "Change": "between two events; of a set-up",
    "Check": "a line of `check`; a line of `setup plan`",
    "Constant": "of an assembled object; of an expression",
    "Dataset": "of a set-up",
    "Delivering": "what takes encoded events; a mapping that gives events ready for encoding",
    "Field": "of a date pattern; of a schema",
    "Group": "of worker processes; of equal verdicts",
    "InputError": "of a command's input; of an export file",
    "Item": "of a regular expression; of a hand-over",
    "Known": "names that an expression may read; values that a set-up knows",
    "Lane": "of a key's events; of a partition in the ledger; of a partition in the producer",
    "Literal": "of a date pattern; of an expression",
    "MappingRow": "of a file; of Data Prep's API",
    "MappingSet": "a file; Data Prep's",
    "Missing": "a value of the language; a field that a schema lacks",
    "Plan": "of changed mappings; of a set-up",
    "Progress": "of a worker; of a set-up",
    "Refused": "by Kafka",
    "Reply": "to a request",
    "Report": "of a process; of a destination's remarks",
    "Sandbox": "of a set-up",
    "Section": "of the settings; of a date pattern",
    "Table": "of words in dates; of a hand-over",
    "Target": "of a row",
    "Trial": "of each destination: what came of a trial event",
    "Unreadable": "places of a log; a page that cannot be read",
}
"""Public classes that share a name, and what each is."""

LARGE = {
    "model": "one value or port a module: the words that all rooms share",
    "sources/http": "each module is one concern of listening to strangers",
    "delivery": "each module is one reason to hold or send a request",
    "settings": "a module is a section",
    "mapping/functions": "a module is a category of Adobe's functions",
    "emulators/adobe/platform": "a module is one of Adobe's APIs",
    "cli": "a module is a command",
    "cli/mapping": "a module is a command",
    "cli/setup": "a module is a command",
    "adobe/provisioning": "a module is a step from the wanted to the found state",
    "destinations/moengage": "a module is a rule of MoEngage's",
    "routes": "the composition root: a module joins one pair of rooms",
}
"""Folders of more than a dozen modules, and why."""


def modules():
    """Every module, but for the files that make folders packages."""
    return sorted(path for path in BRIDGE.rglob("*.py") if path.name not in {"__init__.py", "__main__.py"})


def test_a_file_name_means_one_thing():
    """Commands are named after what they are about, and kinds have the same names in their folders; whatever else is listed."""
    found = defaultdict(list)
    for path in modules():
        room = path.relative_to(BRIDGE).parts[0]
        if room not in {*KINDS, "cli", "demo"}:
            found[path.name].append(path)
    assert {name for name, paths in found.items() if len(paths) > 1} - set(MODULES) == set()


def test_a_class_name_means_one_thing():
    """Emulators speak their clouds' words and what begins with an underscore is a module's own; whatever else is listed."""
    found = defaultdict(list)
    for path in modules():
        if path.relative_to(BRIDGE).parts[0] == "emulators":
            continue
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found[node.name].append(path.relative_to(BRIDGE))
    assert {name: paths for name, paths in found.items() if len(paths) > 1 and name not in CLASSES} == {}


def test_a_folder_can_be_seen_through():
    """A dozen modules at most, unless there is a reason."""
    counts = defaultdict(int)
    for path in modules():
        counts[str(path.parent.relative_to(BRIDGE))] += 1
    assert {folder for folder, count in counts.items() if count > 12} - set(LARGE) == set()
