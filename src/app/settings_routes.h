// GET /api/v1/settings: every setting with its value and where it came from, for administrators.
//
// Guarantee   What `tidegate config show --json` prints, and what each setting is. A secret is `set` or `not set`, never its text.
#pragma once

#include <string>
#include <vector>

#include "pipeline/route.h"

namespace tidegate::app {

/// `described` is what settings::render_described made of the settings this server was started with; empty: the route answers 503.
void register_settings(std::vector<pipeline::Route>& routes, std::string described);

}  // namespace tidegate::app
