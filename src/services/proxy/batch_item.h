// BatchItem: one client's request as a part of a merged call: a Source like Fetch, for whoever wants its answer.
//
// Position    Between Flow or Fill and the route's Batching (batch.h). It takes the body apart, waits, and hears of its part.
// Guarantee   The sink hears what it would hear of a Fetch, on its own loop: its own part of the answer with status 200, or its
//             own failure. Nothing after cancel().
// Memory      The request, until it is sent.
// Threads     The loop it was made for.
// When full   503 with Retry-After.
#pragma once

#include <memory>

#include "services/proxy/fetch.h"
#include "services/proxy/route.h"

namespace tidegate::proxy {

/// A call of its own for this request or, on a route that merges, for a POST, a part in a merged one. `loop` and `route`
/// outlive it; `sink` as with Fetch.
std::shared_ptr<Source> make_source(const FetchLoop& loop, const ProxyRoute& route, FetchRequest request,
                                    FetchSink& sink);

}  // namespace tidegate::proxy
