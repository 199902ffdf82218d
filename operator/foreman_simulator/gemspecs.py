"""Metadata of the four plugins as their gemspecs give it: what `GET /api/v2/plugins` lists beside id and version."""

from __future__ import annotations

#: plugin -> author, description
GEMSPECS: dict[str, tuple[str, str]] = {
    "foreman-tasks": (
        ("Ivan Nečas"),
        (
            "The goal of this plugin is to unify the way of showing task statuses across the Foreman instance.\nIt defines "
            "Task model for keeping the information about the tasks and Lock for assigning the tasks\nto resources. The "
            "locking allows dealing with preventing multiple colliding tasks to be run on the\nsame resource. It also "
            "optionally provides Dynflow infrastructure for using it for managing the tasks.\n"
        ),
    ),
    "foreman_discovery": (
        (
            "Aditi Puntambekar, alongoldboim, Alon Goldboim, amirfefer, Amit Karsale, Amit Upadhye, Amos Benari, Avi "
            "Sharvit, Bryan Kearney, bshuster, Daniel Lobato, Daniel Lobato Garcia, Daniel Lobato García, Danny Smit, David"
            " Davis, Djebran Lezzoum, Dominic Cleal, Dominik Matoulek, Eric D. Helms, Ewoud Kohl van Wijngaarden, Frank "
            "Wall, Greg Sutcliffe, ChairmanTubeAmp, Ido Kanner, imriz, Imri Zvik, Ivan Nečas, Jan Matusz, John Mazzie, "
            "Joseph Mitchell Magen, June Zhang, kgaikwad, Lars Berntzon, ldjebran, Leos Stejskal, Lukas Zapletal, Lukáš "
            "Zapletal, Marek Hulan, Marek Hulán, MariaAga, Martin Bačovský, Matt Jarvis, Michael Moll, Nick, odovzhenko, "
            "Ohad Levy, Ondrej Prazak, Ondřej Ezr, Ori Rabin, orrabin, Partha Aji, Petr Chalupa, Phirince Philip, Rahul "
            "Bajaj, Robert Antoni Buj Gelonch, Ron Lavi, Scubafloyd, Sean O\\'Keeffe, Sebastian Gräßl, Shimon Shtein, "
            "Shlomi Zadok, Stephen Benjamin, Swapnil Abnave, Thomas Gelf, Timo Goebel, Tomas Strych, Tom Caspy, Tomer "
            "Brisker, and Yann Cézard"
        ),
        ("MaaS Discovery Plugin engine for Foreman"),
    ),
    "foreman_puppet": (
        ("Ondřej Ezr and Shira Maximov"),
        ("Allow assigning Puppet environments and classes to the Foreman Hosts."),
    ),
    "foreman_remote_execution": (
        ("Foreman Remote Execution team"),
        (
            "A plugin bringing remote execution to the Foreman, completing the config management functionality with remote "
            "management functionality."
        ),
    ),
}
