// What alerts can be about beside the numbers of /metrics.
#pragma once

#include "alerts/source.h"
#include "base/clock.h"

namespace tidegate::performance {
class Levels;
}
namespace tidegate::proxy {
class Proxy;
}

namespace tidegate::app {

class ComplianceAssembly;

/// All referred to outlives the source.
struct ViewParts {
    const proxy::Proxy& proxy;
    const ComplianceAssembly& compliance;
    const performance::Levels& levels;
    const Clock& clock;
};

/// `upstream_targets_usable` and `upstream_targets_out` by upstream, `drift_alerts_open` by service, model and tenant, and each measure
/// of the last performance sample, `performance.latency_p95_ms`: without a series where it was not measured.
void add_views(alerts::Source& source, const ViewParts& parts);

}  // namespace tidegate::app
