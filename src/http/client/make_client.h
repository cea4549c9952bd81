// make_client() with a name look-up of the caller's: the seam for tests of what names lead to.
#pragma once

#include <memory>

#include "http/client/client.h"
#include "http/client/client_core.h"

namespace tidegate::http {

/// `look_up` runs on worker threads, several at once.
std::unique_ptr<Client> make_client(runtime::EventLoop& loop, runtime::WorkerPool& pool, const ClientOptions& options,
                                    ClientCounters& counters, NameCache::Fetch look_up);

}  // namespace tidegate::http
