// The tables of the statistics (audit/views/cube_store.h), and how each version of them came out of the one before.
#pragma once

#include <array>

#include "store/migrations.h"

namespace tidegate::audit {

inline constexpr std::array<store::Migration, 3> kCubeMigrations{{
    {.version = 1, .name = "cells of the statistics", .sql = R"sql(
CREATE TABLE cube_state(
  one INTEGER PRIMARY KEY CHECK(one = 1),
  log_id BLOB NOT NULL,
  position INTEGER NOT NULL
) STRICT;
CREATE TABLE cube_kinds(
  kind_id INTEGER PRIMARY KEY,
  record INTEGER NOT NULL, status INTEGER NOT NULL, cache INTEGER NOT NULL,
  tenant TEXT NOT NULL, service TEXT NOT NULL, operation TEXT NOT NULL, model TEXT NOT NULL, model_version TEXT NOT NULL,
  band TEXT NOT NULL
) STRICT;
CREATE TABLE cube_cells(
  level INTEGER NOT NULL,
  start INTEGER NOT NULL,
  kind_id INTEGER NOT NULL,
  decisions INTEGER NOT NULL,
  confidences INTEGER NOT NULL,
  confidence_micro INTEGER NOT NULL,
  latency_us INTEGER NOT NULL,
  latency_us_max INTEGER NOT NULL,
  spend_milli INTEGER NOT NULL,
  tokens INTEGER NOT NULL,
  input_bytes INTEGER NOT NULL,
  steps BLOB NOT NULL,
  PRIMARY KEY(level, start, kind_id)
) STRICT, WITHOUT ROWID;
)sql"},
    // Up to then every record stated all of its figures.
    {.version = 2, .name = "how many stated a latency, tokens, an input size", .sql = R"sql(
ALTER TABLE cube_cells ADD COLUMN latencies INTEGER NOT NULL DEFAULT 0;
ALTER TABLE cube_cells ADD COLUMN token_counts INTEGER NOT NULL DEFAULT 0;
ALTER TABLE cube_cells ADD COLUMN input_sizes INTEGER NOT NULL DEFAULT 0;
UPDATE cube_cells SET latencies = decisions, token_counts = decisions, input_sizes = decisions;
)sql"},
    // Filled from the cells when the file is opened.
    {.version = 3, .name = "the latencies of all decisions of a period; from when on minutes are kept", .sql = R"sql(
ALTER TABLE cube_state ADD COLUMN minutes_from INTEGER NOT NULL DEFAULT 0;
CREATE TABLE cube_all(
  level INTEGER NOT NULL,
  start INTEGER NOT NULL,
  steps BLOB NOT NULL,
  PRIMARY KEY(level, start)
) STRICT, WITHOUT ROWID;
)sql"},
}};

}  // namespace tidegate::audit
