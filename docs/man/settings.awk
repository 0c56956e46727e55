# SPDX-License-Identifier: Apache-2.0
# A configuration as --print-defaults prints it, or an example in that form, as lines
# PATH<TAB>DEFAULT<TAB>HELP; a setting of a list's items is LIST[].NAME.
function out(path, value, help) { print path "\t" value "\t" help }
function split_value(text) { # "VALUE  # help" in value and note
    note = ""
    value = text
    if (match(value, /(^|[ \t])# /)) {
        note = substr(value, RSTART + RLENGTH)
        value = substr(value, 1, RSTART - 1)
    }
    gsub(/^[ \t]+|[ \t]+$/, "", value)
}
/^ *# [^ ]/ { # a comment; a setting that is off has no blank behind its "#", an item two
    help = $0
    sub(/^ *# /, "", help)
    next
}
/^[ \t]*$/ { help = ""; next }
{
    line = $0
    off = match(line, /^ *#/)
    if (off)
        line = substr(line, 1, RLENGTH - 1) substr(line, RLENGTH + 1)
    indent = match(line, /[^ ]/) - 1
    item = substr(line, indent + 1, 2) == "- "
    text = substr(line, indent + 1 + (item ? 2 : 0))
    if (!match(text, /^[a-z0-9_.]+:/))
        next
    name = substr(text, 1, RLENGTH - 1)
    split_value(substr(text, RLENGTH + 1))
    if (indent == 0) {
        top = name
        sub_ = ""
        in_items = 0
        if (off || value != "")
            out(top, off ? "" : value, help)
    } else if (indent == 2 && item) {
        if (!in_items && !(top in told))
            out(top, "", help)
        told[top] = 1
        in_items = 1
        out(top "[]." name, value, note)
    } else if (indent == 2) {
        sub_ = name
        out(top "." sub_, off ? "" : value, help)
    } else if (item) {
        out(top "." sub_ "[]." name, value, note)
    } else {
        out(in_items ? top "[]." name : top "." sub_ "[]." name, value, note)
    }
    if (off && indent == 0)
        told[top] = 1
    help = ""
}
