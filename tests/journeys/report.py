"""What is kept of a run: build/journeys/report.md and report.json."""

import json
from collections.abc import Mapping
from pathlib import Path

from tests.journeys.blocks import all_blocks
from tests.journeys.world import BUILD, World


def write_report(world: World, minutes: Mapping[str, float], where: str) -> Path:
    """Minutes, steps, pictures and what is not run; where it is."""
    BUILD.mkdir(parents=True, exist_ok=True)
    told = {
        "where": where,
        "minutes": {name: round(value, 2) for name, value in minutes.items()},
        "stops": world.failed,
        "steps": world.steps,
    }
    (BUILD / "report.json").write_text(json.dumps(told, ensure_ascii=False, indent=1))
    lines = [
        "# Journeys",
        "",
        f"Taken {where}.",
        "",
        "| journey | minutes |",
        "|---|---|",
    ]
    lines += [f"| {name} | {value:.1f} |" for name, value in minutes.items()]
    lines += ["", "## Stops", ""]
    lines += [f"- {stop}" for stop in world.failed] or ["None."]
    for name in minutes:
        lines += ["", f"## {name}", "", "| s | | step |", "|---|---|---|"]
        for step in world.steps:
            if step["journey"] == name:
                text = " ".join(str(step["step"]).split()).replace("|", "\\|")
                mark = "" if step["ok"] else f"**{step['more']}**"
                lines.append(f"| {step['seconds']} | {mark} | {text} |")
    pictures = sorted(BUILD.glob("*.png"))
    lines += ["", "## Pictures", ""]
    lines += [f"![{picture.stem}]({picture.name})" for picture in pictures]
    lines += ["", "## Blocks that are not run", ""]
    lines += [f"- {one.place}: {one.mark}" for one in all_blocks() if one.mark]
    path = BUILD / "report.md"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
