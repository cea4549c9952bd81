#include "services/proxy/batch_item.h"

#include <utility>

namespace tidegate::proxy {

std::shared_ptr<Source> make_source(const FetchLoop& loop, const ProxyRoute& route, FetchRequest request,
                                    FetchSink& sink) {
    return std::make_shared<Fetch>(loop, *route.upstream, std::move(request), sink);
}

}  // namespace tidegate::proxy
