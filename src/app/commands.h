// The command line, a function for each command. Each returns the exit status: 0 done, 1 failed, 2 wrong use.
#pragma once

#include <string>
#include <vector>

#include "app/settings.h"
#include "settings/load.h"

namespace tidegate::app {

/// What every command gets: the loaded settings and the words that are left for it.
struct Invocation {
    const AppSettings& settings;
    const settings::Table& table;
    const settings::Resolved& resolved;
    std::vector<std::string> words;
};

int run_serve(const Invocation& invocation);
int run_health(const Invocation& invocation);
int run_backup(const Invocation& invocation);
int run_detect(const Invocation& invocation);
int run_eval(const Invocation& invocation);
int run_eval_drift(const Invocation& invocation);
int run_eval_redaction(const Invocation& invocation);
int run_config(const Invocation& invocation);
int run_openapi(const Invocation& invocation);
int run_keys(const Invocation& invocation);
int run_audit(const Invocation& invocation);
int run_ingest(const Invocation& invocation);
int run_kafka(const Invocation& invocation);
int run_load(const Invocation& invocation);
int run_generate(const Invocation& invocation);
int run_model(const Invocation& invocation);
int run_perf(const Invocation& invocation);
int run_top(const Invocation& invocation);

/// What a service's command gets. `words` outlives it.
service::CommandInput command_input(const AppSettings& settings, const std::vector<std::string>& words);

/// Prints `tidegate: MESSAGE` to standard error and returns 2.
int wrong_use(const std::string& message);

}  // namespace tidegate::app
