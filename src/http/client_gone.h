// What the log and the counters say of a request whose client left before its answer.
#pragma once

namespace tidegate::http {

/// nginx's word for it; never sent.
inline constexpr int kStatusClientGone = 499;

}  // namespace tidegate::http
