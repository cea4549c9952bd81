// What a load is made against: the place, and the operations that it has.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "app/load_words.h"
#include "load/ask.h"
#include "load/mix.h"
#include "load/place.h"

namespace tidegate::app {

struct LoadTarget {
    load::Place place;
    std::string fields;  // Header lines of each request.
    load::Offers offers;
    std::string server;  // Its version.
};

/// Finds the server and asks it what it has; with --call alone nothing but the connection is needed.
Result<LoadTarget> find_target(const LoadOptions& options, const std::string& url);
/// Without a server: what every service offers by itself.
Result<load::Offers> offline_offers(const LoadOptions& options);
/// Weights of the profile, and --mix. An error when nothing is left to ask.
Result<load::Mix> make_mix(load::Offers& offers, const LoadOptions& options, const std::string& fields);

}  // namespace tidegate::app
