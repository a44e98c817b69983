"""The page: its skeleton and its style, without a word on what stands in it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from gmm.text import html as markup
from gmm.text.html import Html, escaped, joined

__all__ = ["Part", "beside", "card", "cards", "code", "facts", "figure", "items", "paragraph", "whole"]

_FORBIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ufffe\uffff]")  # what HTML may not hold, but for surrogates
_LIGHT, _GREY = 190, 24  # of a grey: the least of its parts, and how far they differ
_FAINT_ON_DARK = "#39424c"
_VISIBLE = 0.22  # luminance: more than 4:1 beside the dark paper
_STYLE = """
:root { color-scheme: light dark; --paper: #ffffff; --ground: #f6f7f9; --ink: #1f2429; --soft: #59636e;
  --faint: #8c959f; --line: #d9dee4; --accent: #0b5fa5; --good: #16744a; --warn: #8a5200; }
@media (prefers-color-scheme: dark) { :root { --paper: #14181d; --ground: #1b2026; --ink: #e4e8ec; --soft: #a4adb7;
  --faint: #78828c; --line: #313941; --accent: #7cb8ee; --good: #5cc592; --warn: #e3b168; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; scroll-padding-top: 1rem; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 1rem/1.6 system-ui, -apple-system, "Segoe UI",
  Roboto, "Helvetica Neue", "Noto Sans", Arial, sans-serif; }
.sheet { max-width: 60rem; margin: 0 auto; padding: 0 1.25rem 4rem; }
header { padding: 3.2rem 0 1rem; }
.eyebrow { margin: 0 0 0.4rem; color: var(--soft); font-size: 0.85rem; letter-spacing: 0.04em; }
h1 { margin: 0; font-size: clamp(1.7rem, 1.3rem + 2vw, 2.5rem); line-height: 1.15; letter-spacing: -0.015em;
  overflow-wrap: anywhere; text-wrap: balance; }
.lead { max-width: 44rem; margin: 0.9rem 0 0; font-size: 1.2rem; line-height: 1.5; text-wrap: pretty; }
h2 { margin: 0 0 0.9rem; font-size: 1.4rem; line-height: 1.25; letter-spacing: -0.01em; }
h3 { margin: 1.8rem 0 0.4rem; font-size: 1.05rem; line-height: 1.35; }
section { margin-top: 3rem; padding-top: 2rem; border-top: 1px solid var(--line); }
p, ul, ol { max-width: 44rem; margin: 0 0 0.9rem; text-wrap: pretty; }
li { margin: 0.2rem 0; overflow-wrap: anywhere; }
a { color: var(--accent); text-underline-offset: 0.15em; }
nav ul { display: flex; flex-wrap: wrap; gap: 0.2rem 1.3rem; max-width: none; margin: 1.4rem 0 0; padding: 0;
  list-style: none; font-size: 0.93rem; }
.facts { display: flex; flex-wrap: wrap; gap: 1px; margin: 1.8rem 0 0; border: 1px solid var(--line);
  border-radius: 8px; overflow: hidden; background: var(--line); }
.facts div { flex: 1 1 8rem; padding: 0.7rem 0.95rem 0.75rem; background: var(--paper); white-space: nowrap; }
.facts dt { color: var(--soft); font-size: 0.83rem; }
.facts dd { margin: 0; font-size: 1.3rem; line-height: 1.35; font-weight: 600; font-variant-numeric: tabular-nums;
  letter-spacing: -0.01em; }
p.beneath { color: var(--soft); font-size: 0.9rem; }
figure { margin: 1.4rem 0; }
figcaption { max-width: 44rem; margin-top: 0.4rem; color: var(--soft); font-size: 0.9rem; line-height: 1.5; }
svg.picture { display: block; width: 100%; height: auto; color: var(--ink); }
@media (prefers-color-scheme: dark) { svg.picture image { filter: brightness(1.3); }
  svg.uncertainty image { filter: invert(1) hue-rotate(180deg); } }
svg.picture text { font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", Arial,
  sans-serif !important; }
.beside { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 0 1.5rem; }
.groups { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 17.5rem), 1fr)); gap: 0.9rem;
  max-width: none; margin: 1.1rem 0 1.6rem; padding: 0; list-style: none; }
.groups li { margin: 0; padding: 0.85rem 1rem 0.9rem; border: 1px solid var(--line); border-left: 5px solid var(--own);
  border-radius: 6px; background: var(--paper); break-inside: avoid; }
.groups h3 { display: flex; justify-content: space-between; gap: 1rem; margin: 0 0 0.35rem; }
.groups h3 span { color: var(--soft); font-weight: 400; font-size: 0.9rem; text-align: right; }
.groups p { margin: 0.25rem 0 0; font-size: 0.93rem; line-height: 1.5; }
.told { padding: 0.8rem 1rem; border-left: 4px solid var(--warn); border-radius: 4px; background: var(--ground);
  max-width: 46rem; }
.told ul { margin: 0; padding-left: 1.1rem; }
.facts + .told { margin-top: 1rem; }
.keys { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 0.3rem 1.2rem; margin: 0 0 1rem;
  font-size: 0.95rem; }
.keys dt { color: var(--soft); }
.keys dd { margin: 0; overflow-wrap: anywhere; }
.glossary { max-width: 44rem; margin: 0; }
.glossary dt { margin-top: 0.8rem; font-weight: 600; }
.glossary dd { margin: 0.1rem 0 0; color: var(--soft); }
pre { margin: 0 0 1.1rem; padding: 0.8rem 1rem; border-radius: 6px; background: var(--ground); overflow-x: auto;
  font-size: 0.9rem; line-height: 1.5; white-space: pre-wrap; overflow-wrap: anywhere; }
code, pre { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
footer { margin-top: 3rem; padding-top: 1.2rem; border-top: 1px solid var(--line); color: var(--soft);
  font-size: 0.87rem; }
.gmm { --gmm-accent: var(--accent); --gmm-best: var(--good); --gmm-line: var(--line); --gmm-veil: var(--ground);
  color: var(--ink); }
.gmm .gmm-wide { margin: 0.9rem 0 1.4rem; }
.gmm.gmm caption { padding-left: 0; color: var(--soft); opacity: 1; max-width: min(44rem, 100vw - 2.5rem);
  white-space: normal; }
.gmm.gmm table th:first-child, .gmm.gmm table td:first-child { padding-left: 0.2rem; }
.gmm summary { opacity: 1; color: var(--accent); }
.view, .gmm .gmm-wide { overflow-x: auto; background:
  linear-gradient(to right, var(--paper) 35%, transparent) left / 2.5rem 100% no-repeat local,
  linear-gradient(to left, var(--paper) 35%, transparent) right / 2.5rem 100% no-repeat local,
  linear-gradient(to right, var(--faint), transparent) left / 0.8rem 100% no-repeat,
  linear-gradient(to left, var(--faint), transparent) right / 0.8rem 100% no-repeat; }
@media (max-width: 34rem) { svg.pairs { min-width: 34rem; }
  figure:has(svg.pairs) figcaption::after { content: " Scroll it sideways to see all."; }
  .gmm.gmm table th, .gmm.gmm table td { padding-left: 0.35em; padding-right: 0.35em; }
  .gmm.gmm table tr > :first-child { white-space: normal; overflow-wrap: break-word; }
  .sheet { padding: 0 1rem 3rem; }
  header { padding-top: 1.8rem; } .lead { font-size: 1.08rem; } .facts div { flex-basis: 40%; }
  .facts dd { font-size: 1.15rem; } section { margin-top: 2.2rem; padding-top: 1.5rem; }
  .keys { grid-template-columns: 1fr; gap: 0; } .keys dd { margin-bottom: 0.6rem; } }
@media print { :root { --paper: #ffffff; --ground: #f6f7f9; --ink: #000000; --soft: #444444; --line: #cccccc; }
  body { font-size: 10pt; } nav { display: none; } header { padding-top: 0; } .sheet { max-width: none; padding: 0; }
  section { margin-top: 1.4rem; padding-top: 1rem; } h2, h3 { break-after: avoid; } figure, tr { break-inside: avoid; }
  svg.picture { width: 80%; } .view, .gmm .gmm-wide { background: none; } * { print-color-adjust: exact; } }
"""


@dataclass(frozen=True)
class Part:
    """A section of the page.

    Attributes
    ----------
    name : str
        Its id.
    link : str
        Its title in the contents.
    title : str
    body : Html
    """

    name: str
    link: str
    title: str
    body: Html


def whole(title: str, eyebrow: str, heading: str, opening: Html, parts: Sequence[Part], closing: str) -> str:
    """The whole page.

    Parameters
    ----------
    title : str
        Of the document.
    eyebrow, heading : str
        The line above the heading, and the heading.
    opening : Html
        What stands below the heading.
    parts : sequence of Part
    closing : str
        The last line.

    Returns
    -------
    str
    """
    links = "".join(f'<li><a href="#{part.name}">{escaped(part.link)}</a></li>' for part in parts)
    body = "\n".join(
        f'<section id="{part.name}" aria-labelledby="{part.name}-title"><h2 id="{part.name}-title">'
        f"{escaped(part.title)}</h2>\n{part.body}</section>"
        for part in parts
    )
    page = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="gmm">
<title>{escaped(title)}</title>
<style>{markup.STYLE}{_STYLE}{_dark_colours(opening + body)}</style>
</head>
<body>
<div class="sheet gmm">
<header>
<p class="eyebrow">{escaped(eyebrow)}</p>
<h1>{escaped(heading)}</h1>
{opening}
<nav aria-label="Contents"><ul>{links}</ul></nav>
</header>
<main>
{body}
</main>
<footer><p>{escaped(closing)}</p></footer>
</div>
</body>
</html>
"""
    return _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", page)


def on_page(colour: str) -> str:
    """A colour as the page's style writes it: as it is on white paper, lighter on dark.

    Parameters
    ----------
    colour : str
        ``#rrggbb``.

    Returns
    -------
    str
    """
    return f"var(--on-{colour[1:]}, {colour})"


def card(title: str, beside: str, body: Html, colour: str) -> Html:
    """An item of `cards`.

    Parameters
    ----------
    title, beside : str
        Its heading, and what stands at the right of it.
    body : Html
    colour : str
        Of its edge, ``#rrggbb``.

    Returns
    -------
    Html
    """
    heading = f"<h3>{escaped(title)} <span>{escaped(beside)}</span></h3>"
    return Html(f'<li style="--own: {on_page(colour)}">{heading}{body}</li>')


def cards(parts: Sequence[Html]) -> Html:
    """What `card` made, beside each other as far as there is room."""
    return Html(f'<ul class="groups">{joined(*parts)}</ul>\n')


def beside(*parts: object) -> Html:
    """Pictures beside each other where there is room."""
    return Html(f'<div class="beside">{joined(*parts)}</div>')


def code(text: str) -> Html:
    """What is typed, as it is typed."""
    return Html(f"<pre><code>{escaped(text)}</code></pre>\n")


def paragraph(*sentences: object, kind: str = "") -> Html:
    """Sentences that follow each other; the empty ones left out.

    Parameters
    ----------
    *sentences : str or Html
    kind : str, default=""
        The paragraph's class.

    Returns
    -------
    Html
        Nothing where there is nothing to say.
    """
    text = " ".join(escaped(sentence) for sentence in sentences if sentence)
    attribute = f' class="{kind}"' if kind else ""
    return Html(f"<p{attribute}>{text}</p>\n" if text else "")


def items(texts: Sequence[object], kind: str) -> Html:
    """A list.

    Parameters
    ----------
    texts : sequence of str or Html
    kind : str
        The class of the frame around it.

    Returns
    -------
    Html
    """
    body = "".join(f"<li>{escaped(text)}</li>" for text in texts)
    return Html(f'<div class="{kind}"><ul>{body}</ul></div>\n')


def facts(pairs: Sequence[tuple[object, object]], kind: str) -> Html:
    """What belongs to each name.

    Parameters
    ----------
    pairs : sequence of (str, str or Html)
    kind : {"facts", "keys", "glossary"}
        How they stand: large in a row, small below each other, or as terms that are explained.

    Returns
    -------
    Html
    """
    frame = ("<div>", "</div>") if kind == "facts" else ("", "")
    body = "".join(f"{frame[0]}<dt>{escaped(name)}</dt><dd>{escaped(told)}</dd>{frame[1]}\n" for name, told in pairs)
    return Html(f'<dl class="{kind}">{body}</dl>\n')


def figure(picture: object, caption: object) -> Html:
    """A picture and what it shows.

    Parameters
    ----------
    picture : Html
    caption : str or Html

    Returns
    -------
    Html
    """
    return Html(
        f'<figure><div class="view">{escaped(picture)}</div><figcaption>{escaped(caption)}</figcaption></figure>\n'
    )


def _dark_colours(body: str) -> str:
    """What the colours of `on_page` are on dark paper."""
    used = sorted(set(re.findall(r"var\(--on-([0-9a-f]{6})", body)))
    told = "".join(f" --on-{colour}: {_for_dark(colour)};" for colour in used)
    return f"@media screen and (prefers-color-scheme: dark) {{ :root {{{told} }} }}\n" if told else ""


def _for_dark(colour: str) -> str:
    """A colour made lighter until it stands out from dark paper; light greys, which are faint on white, made faint."""
    parts = [int(colour[i : i + 2], 16) for i in (0, 2, 4)]
    if min(parts) > _LIGHT and max(parts) - min(parts) < _GREY:
        return _FAINT_ON_DARK
    mixed, share = parts, 0.0
    while _luminance(mixed) < _VISIBLE and share < 1:
        share += 0.05
        mixed = [round(part + share * (255 - part)) for part in parts]
    return "#" + "".join(f"{part:02x}" for part in mixed)


def _luminance(parts: Sequence[int]) -> float:
    """Relative luminance by the web's rules for contrast, from 0 to 1."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (part / 255 for part in parts)]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
