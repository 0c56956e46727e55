#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The published and generated vectors all pass.
exec "${top_builddir:-.}/tests/check_vectors" "${top_srcdir:-.}/tests/vectors"
