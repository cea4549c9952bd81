// Commands of the content service: texts from files, the books checked, the search measured.
//
// Threads     The main thread.
#pragma once

#include "services/content/settings.h"
#include "services/module/module.h"

namespace tidegate::content {

/// `tidegate content import FILE... [--tenant NAME]`: into the data folder itself; a server at work on it takes the texts up within a
/// second. The exit status: 1 also where a line was refused.
int run_content(const service::CommandInput& input, const ContentSettings& settings);
/// `tidegate ledger reconcile`: 1 where the books do not add up.
int run_ledger(const service::CommandInput& input, const ContentSettings& settings);
/// `tidegate eval content`: every collection in FOLDER, by the files of BEIR. The exit status.
int run_evaluation(const service::CommandInput& input, const ContentSettings& settings);

}  // namespace tidegate::content
