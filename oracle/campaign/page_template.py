"""The report's HTML, as a template of jinja2: every text that is put in is escaped.

It stands in a module, so that no file but python's own has to be installed.
"""

from __future__ import annotations

from jinja2 import Environment

_PAGE = """\
<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">\
<title>Verification report</title><style>
body { font: 15px/1.45 system-ui, sans-serif; max-width: 78em; margin: 2em auto; padding: 0 1em;
       color: #1b1b1b; background: #fff; }
h1 { margin-bottom: 0.2em; } h2 { margin-top: 2em; border-bottom: 1px solid #ccc; }
.verdict { font-size: 1.3em; padding: 0.5em 0.8em; border-left: 0.4em solid; margin: 1em 0; }
.good { border-color: #009E73; background: #eef8f4; } .bad { border-color: #D55E00;
       background: #fdf0e7; }
table { border-collapse: collapse; margin: 0.8em 0; font-size: 0.85em; }
th, td { text-align: left; padding: 0.2em 0.7em; border-bottom: 1px solid #ddd;
       vertical-align: top; }
th { background: #f4f4f4; } td span { white-space: nowrap; }
td.n { text-align: right; font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; } code { font-size: 0.92em; } pre { white-space: pre-wrap; }
svg { max-width: 100%; height: auto; } .small { color: #555; font-size: 0.9em; }
</style></head><body><h1>Verification report</h1>
{% macro table(of) %}
<div class="scroll"><table><tr>{% for cell in of.head %}<th>{{ cell }}</th>{% endfor %}</tr>
{% for line in of.lines %}
<tr>{% for cell in line %}<td{% if loop.index0 in of.numbers %} class="n"{% endif %}>{{ cell }}\
</td>{% endfor %}</tr>
{% endfor %}
</table></div>
{% endmacro %}
<p class="verdict {{ "good" if good else "bad" }}">{{ verdict }}</p>
<p>Seeds {{ run.seeds[0] }} to {{ run.seeds[-1] }}, {{ run.points }} data each. \
Commit {{ run.commit }}. {{ versions }}. Again: <code>{{ run.command }}</code></p>
<p class="small">{{ "%.0f" | format(run.seconds) }} seconds.</p>
{% if wrong %}
<h2>Breaches</h2>
<p>{{ wrong | length }} in all, the first 200 here.</p>
<ul>{% for line in wrong[:200] %}<li>{{ line }}</li>{% endfor %}</ul>
{% endif %}
{% for section in sections %}
<h2>{{ section.title }}</h2>
{% if section.introduction %}
<p>{{ section.introduction }}</p>
{% endif %}
{% if section.table %}
{{ table(section.table) }}\
{% endif %}
{% if section.picture %}
{{ section.picture | safe }}
{% endif %}
{% if section.legend %}
<pre>{{ section.legend }}</pre>
{% endif %}
{% for words in section.paragraphs %}
<p>{{ words }}</p>
{% endfor %}
{% endfor %}
</body></html>
"""

#: Takes good, verdict, run, versions, wrong and sections, as oracle.campaign.page gives them.
TEMPLATE = Environment(
    autoescape=True, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
).from_string(_PAGE)
