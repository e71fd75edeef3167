/* Waterspout: everything at once. */
#ifndef SPOUT_H
#define SPOUT_H

#include <spout/auth.h>
#include <spout/base.h>
#include <spout/cookies.h>
#include <spout/error.h>
#include <spout/escape.h>
#include <spout/executor.h>
#include <spout/future.h>
#include <spout/httpserver.h>
#include <spout/httputil.h>
#include <spout/locks.h>
#include <spout/log.h>
#include <spout/loop.h>
#include <spout/main.h>
#include <spout/memory.h>
#include <spout/middleware.h>
#include <spout/multipart.h>
#include <spout/netutil.h>
#include <spout/options.h>
#include <spout/process.h>
#include <spout/queues.h>
#include <spout/resolver.h>
#include <spout/session.h>
#include <spout/sse.h>
#include <spout/static.h>
#include <spout/stream.h>
#include <spout/subprocess.h>
#include <spout/task.h>
#include <spout/tcpclient.h>
#include <spout/tcpserver.h>
#include <spout/tls.h>
#include <spout/topic.h>
#include <spout/util.h>
#include <spout/version.h>
#include <spout/web.h>
#include <spout/websocket.h>
#include <spout/websocketclient.h>

#endif
