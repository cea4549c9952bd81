// The dashboard's files, from the binary: /dashboard and what it loads.
//
// Guarantee   Nothing is loaded from elsewhere, and nothing but these files runs on the page (content security policy).
// When it fails  The binary was built without the dashboard: 503 that says so, never an empty page.
#pragma once

#include <string_view>
#include <vector>

#include "base/result.h"
#include "pipeline/route.h"

namespace tidegate::app {

/// One file of the page.
struct DashboardFile {
    std::string path;  // `index.html`, `assets/index-abc.js`
    std::string type;
    std::string_view body;
};

/// Reads what web/app/pack.mjs wrote: a line of JSON, then the files' bytes. kInvalidArgument when lengths and bytes do not agree.
/// The bodies are views into `pack`.
Result<std::vector<DashboardFile>> unpack_dashboard(std::string_view pack);

/// `/dashboard` and its files, and `/`, which leads there unless one of `routes` takes it: call it last. Open to everybody: the page
/// holds no data, it asks for it with the reader's key.
void register_dashboard(std::vector<pipeline::Route>& routes);

}  // namespace tidegate::app
