/*
 * How the page looks.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef MOD_OUTLIVE_STATUS_H
#define MOD_OUTLIVE_STATUS_H

static const char ol_status_head[] =
    "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Requests in flight</title>\n"
    "<meta name=\"viewport\" content=\"width=device-width\"><meta http-equiv=\"refresh\" content=\"2\">\n<style>\n"
    ":root { color-scheme: light dark; --paper: #faf9f7; --card: #fff; --ink: #1d1f24; --soft: #5d6370; --line: #dfdcd6; --link: #1f5fbf;\n"
    "  --bad: #b3261e; --bad-paper: #fbe7e5; --warn: #7a4a00; --warn-paper: #fdf0d8; }\n"
    "@media (prefers-color-scheme: dark) { :root { --paper: #15171b; --card: #1d2026; --ink: #e8e6e1; --soft: #a3a9b5; --line: #33373f;\n"
    "  --link: #8ab4f8; --bad: #f5a29b; --bad-paper: #47201d; --warn: #f0c36d; --warn-paper: #40310f; } }\n"
    "* { box-sizing: border-box; }\n"
    "body { margin: 0; background: var(--paper); color: var(--ink); font: 1rem/1.5 system-ui, \"DejaVu Sans\", sans-serif; }\n"
    "main { max-width: 70rem; margin: 0 auto; padding: 2rem 1.25rem; }\n"
    "header { display: flex; flex-wrap: wrap; gap: 0 1.5rem; align-items: baseline; justify-content: space-between; }\n"
    "h1 { font-size: 1.7rem; margin: 0; } p { margin: 0 0 1rem; max-width: 46rem; } a { color: var(--link); }\n"
    ".soft { color: var(--soft); }\n"
    ".numbers { display: flex; flex-wrap: wrap; gap: .75rem; margin: 1rem 0; }\n"
    ".number { background: var(--card); border: 1px solid var(--line); border-radius: .75rem; padding: .6rem 1.1rem; min-width: 9rem; }\n"
    ".number dt { color: var(--soft); font-size: .85rem; } .number dd { margin: 0; font-size: 1.6rem; font-variant-numeric: tabular-nums; }\n"
    ".number.warn { background: var(--warn-paper); color: var(--warn); } .number.bad { background: var(--bad-paper); color: var(--bad); }\n"
    ".note { background: var(--warn-paper); color: var(--warn); border-radius: .75rem; padding: .6rem 1.1rem; }\n"
    ".scroll { overflow-x: auto; background: var(--card); border: 1px solid var(--line); border-radius: .75rem; margin-bottom: 1rem; }\n"
    "table { border-collapse: collapse; width: 100%; } th { text-align: left; font-size: .8rem; color: var(--soft); }\n"
    "th, td { padding: .45rem .8rem; border-bottom: 1px solid var(--line); vertical-align: top; }\n"
    "tbody tr:last-child td { border-bottom: 0; } .n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }\n"
    "td:nth-child(2) { min-width: 17rem; } td code { overflow-wrap: anywhere; }\n"
    ".tag { border-radius: 1rem; padding: 0 .6rem; font-size: .85rem; font-weight: 600; border: 1px solid var(--line); white-space: nowrap; }\n"
    ".tag.warn { background: var(--warn-paper); color: var(--warn); } .tag.bad { background: var(--bad-paper); color: var(--bad); }\n"
    "@media (max-width: 44rem) {\n"
    "  main { padding: 1.25rem .75rem; } .numbers { display: grid; grid-template-columns: 1fr 1fr; } .number { min-width: 0; }\n"
    "  thead { display: none; } tbody tr { display: flex; flex-wrap: wrap; gap: .1rem 1rem; padding: .6rem .9rem; border-bottom: 1px solid "
    "var(--line); }\n"
    "  tbody tr:last-child { border-bottom: 0; } td { padding: 0; border: 0; } td:empty { display: none; }\n"
    "  td:nth-child(-n+2) { flex-basis: 100%; min-width: 0; } .n { text-align: left; color: var(--soft); } .n::before { content: attr(data-is) \" "
    "\"; }\n"
    "}\n"
    "</style></head><body><main>\n";

#endif
