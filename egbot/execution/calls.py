"""Owns the table of system calls that run inside a sandbox. It does not know how one is enforced.

Both backends are made from it: ``egbot.execution.syscalls`` makes bubblewrap's filter,
``egbot.execution.seccomp`` Docker's profile. What is not listed is refused. Refused on purpose,
though engines' own profiles allow some of them:

- ``ptrace process_vm_readv process_vm_writev kcmp pidfd_getfd process_madvise``: they look into
  other processes, so that a run could read what the harness keeps to itself;
- ``io_uring_* bpf userfaultfd perf_event_open vmsplice io_setup io_submit remap_file_pages
  modify_ldt``: large or rarely used parts of the kernel, where most of its holes were found;
- ``unshare setns mount umount2 pivot_root chroot open_tree move_mount fs* mount_setattr``, and
  ``clone`` with a new namespace: the walls of the sandbox are made of them;
- ``add_key keyctl request_key``: the kernel's keys belong to no namespace;
- ``shm* sem* msg* mq_* memfd_*``: memory that outlives the run, or lies beyond its limits;
- ``prlimit64`` on another process: it would cripple the harness and all later runs;
- ``sync syncfs``: they make the host's disks work for nothing;
- ``seccomp landlock_*``, modules, reboot, swap, quotas, clocks, the machine's name, ports of the
  machine, fanotify, file handles: no test needs them, or they need capabilities anyway.

Numbers: Linux ``arch/x86/entry/syscalls/syscall_64.tbl`` and ``include/uapi/asm-generic/unistd.h``.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import dataclass

MACHINES = ("x86_64", "aarch64")
"""The machines, as ``uname -m`` names them, whose numbers are known, in the tables' order."""

WORD = 0xFFFFFFFF
"""All bits that the kernel looks at in an argument that is an ``int``."""

NEW_NAMESPACE_BITS = 0x7E020000
"""CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET (``linux/sched.h``)."""

CLONE3 = "clone3:435:435"
"""Answers "no such call" (ENOSYS): its flags lie in memory, out of a filter's reach; without it
the C library uses ``clone``."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """Calls that are allowed whatever their arguments: ``name:x86_64:aarch64``, - where none is."""

    why: str
    calls: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One call that is allowed when all of ``conditions`` hold; several rules: when one does.

    A condition is (argument from 0, mask, value): ``argument & mask == value``.
    """

    why: str
    call: str
    conditions: tuple[tuple[int, int, int], ...]


ALLOWED = (
    Allowed(
        "Reading, writing and moving within open files.",
        "read:0:63 write:1:64 pread64:17:67 pwrite64:18:68 readv:19:65 writev:20:66 "
        "preadv:295:69 pwritev:296:70 preadv2:327:286 pwritev2:328:287 lseek:8:62 "
        "close:3:57 close_range:436:436 dup:32:23 dup2:33:- dup3:292:24 fcntl:72:25 "
        "ioctl:16:29 flock:73:32 fsync:74:82 fdatasync:75:83 sync_file_range:277:84 "
        "truncate:76:45 ftruncate:77:46 fallocate:285:47 fadvise64:221:223 "
        "readahead:187:213 copy_file_range:326:285 sendfile:40:71 splice:275:76 "
        "tee:276:77 pipe:22:- pipe2:293:59",
    ),
    Allowed(
        "Opening, listing and changing files and folders by name.",
        "open:2:- openat:257:56 openat2:437:437 creat:85:- access:21:- faccessat:269:48 "
        "faccessat2:439:439 stat:4:- lstat:6:- fstat:5:80 newfstatat:262:79 "
        "statx:332:291 statfs:137:43 fstatfs:138:44 getdents:78:- getdents64:217:61 "
        "readlink:89:- readlinkat:267:78 mkdir:83:- mkdirat:258:34 rmdir:84:- "
        "rename:82:- renameat:264:38 renameat2:316:276 link:86:- linkat:265:37 "
        "symlink:88:- symlinkat:266:36 unlink:87:- unlinkat:263:35 chmod:90:- "
        "fchmod:91:52 fchmodat:268:53 fchmodat2:452:452 chown:92:- fchown:93:55 "
        "lchown:94:- fchownat:260:54 umask:95:166 utime:132:- utimes:235:- "
        "utimensat:280:88 futimesat:261:- chdir:80:49 fchdir:81:50 getcwd:79:17",
    ),
    Allowed(
        "Extended attributes; the privileged ones need capabilities that are not there.",
        "getxattr:191:8 lgetxattr:192:9 fgetxattr:193:10 listxattr:194:11 "
        "llistxattr:195:12 flistxattr:196:13 setxattr:188:5 lsetxattr:189:6 "
        "fsetxattr:190:7 removexattr:197:14 lremovexattr:198:15 fremovexattr:199:16",
    ),
    Allowed(
        "Waiting for descriptors, timers and changes of files.",
        "poll:7:- ppoll:271:73 select:23:- pselect6:270:72 epoll_create:213:- "
        "epoll_create1:291:20 epoll_ctl:233:21 epoll_wait:232:- epoll_pwait:281:22 "
        "epoll_pwait2:441:441 eventfd:284:- eventfd2:290:19 signalfd:282:- "
        "signalfd4:289:74 timerfd_create:283:85 timerfd_settime:286:86 "
        "timerfd_gettime:287:87 inotify_init:253:- inotify_init1:294:26 "
        "inotify_add_watch:254:27 inotify_rm_watch:255:28",
    ),
    Allowed(
        "A process's own memory, within its limits.",
        "brk:12:214 mmap:9:222 munmap:11:215 mremap:25:216 mprotect:10:226 "
        "madvise:28:233 mincore:27:232 msync:26:227 mlock:149:228 mlock2:325:284 "
        "mlockall:151:230 munlock:150:229 munlockall:152:231 pkey_alloc:330:289 "
        "pkey_free:331:290 pkey_mprotect:329:288 membarrier:324:283",
    ),
    Allowed(
        "Starting, being and ending a process or thread.",
        "fork:57:- vfork:58:- execve:59:221 execveat:322:281 exit:60:93 "
        "exit_group:231:94 wait4:61:260 waitid:247:95 getpid:39:172 gettid:186:178 "
        "getppid:110:173 getpgid:121:155 setpgid:109:154 getpgrp:111:- getsid:124:156 "
        "setsid:112:157 set_tid_address:218:96 set_robust_list:273:99 "
        "get_robust_list:274:100 futex:202:98 futex_waitv:449:449 rseq:334:293 "
        "arch_prctl:158:- prctl:157:167 restart_syscall:219:128 pidfd_open:434:434 "
        "pidfd_send_signal:424:424 map_shadow_stack:453:453",
    ),
    Allowed(
        "Signals, which reach the sandbox's own processes only.",
        "kill:62:129 tkill:200:130 tgkill:234:131 rt_sigaction:13:134 "
        "rt_sigprocmask:14:135 rt_sigpending:127:136 rt_sigreturn:15:139 "
        "rt_sigsuspend:130:133 rt_sigtimedwait:128:137 rt_sigqueueinfo:129:138 "
        "rt_tgsigqueueinfo:297:240 sigaltstack:131:132 pause:34:- alarm:37:-",
    ),
    Allowed(
        "Reading clocks, sleeping, timers; setting a clock is not among them.",
        "clock_gettime:228:113 clock_getres:229:114 clock_nanosleep:230:115 "
        "nanosleep:35:101 gettimeofday:96:169 time:201:- times:100:153 getitimer:36:102 "
        "setitimer:38:103 timer_create:222:107 timer_settime:223:110 "
        "timer_gettime:224:108 timer_getoverrun:225:109 timer_delete:226:111",
    ),
    Allowed(
        "Who one is; without capabilities one can only become what one is already.",
        "getuid:102:174 geteuid:107:175 getgid:104:176 getegid:108:177 "
        "getresuid:118:148 getresgid:120:150 getgroups:115:158 setuid:105:146 "
        "setgid:106:144 setreuid:113:145 setregid:114:143 setresuid:117:147 "
        "setresgid:119:149 setgroups:116:159 setfsuid:122:151 setfsgid:123:152 "
        "capget:125:90 capset:126:91",
    ),
    Allowed(
        "Own limits and scheduling, the machine's name and size, random numbers.",
        "getrlimit:97:163 setrlimit:160:164 getrusage:98:165 sched_yield:24:124 "
        "sched_getaffinity:204:123 sched_setaffinity:203:122 sched_getparam:143:121 "
        "sched_setparam:142:118 sched_getscheduler:145:120 sched_setscheduler:144:119 "
        "sched_get_priority_max:146:125 sched_get_priority_min:147:126 "
        "sched_getattr:315:275 sched_setattr:314:274 sched_rr_get_interval:148:127 "
        "getpriority:140:141 setpriority:141:140 ioprio_get:252:31 ioprio_set:251:30 "
        "getcpu:309:168 uname:63:160 sysinfo:99:179 getrandom:318:278",
    ),
    Allowed(
        "Using a socket, once ``socket`` has let it be made.",
        "socketpair:53:199 bind:49:200 connect:42:203 listen:50:201 accept:43:202 "
        "accept4:288:242 getsockname:51:204 getpeername:52:205 getsockopt:55:209 "
        "setsockopt:54:208 sendto:44:206 sendmsg:46:211 sendmmsg:307:269 "
        "recvfrom:45:207 recvmsg:47:212 recvmmsg:299:243 shutdown:48:210",
    ),
)

_AF_UNIX, _AF_INET, _AF_INET6, _AF_NETLINK = 1, 2, 10, 16
_TCP, _UDP = 6, 17

RULES = (
    Rule(
        "A process or thread in the namespaces that there are.",
        "clone:56:220",
        ((0, NEW_NAMESPACE_BITS, 0),),
    ),
    Rule("The plain Linux personality.", "personality:135:92", ((0, WORD, 0),)),
    Rule("Asking for the personality.", "personality:135:92", ((0, WORD, WORD),)),
    Rule("Limits of the process itself.", "prlimit64:302:261", ((0, WORD, 0),)),
    Rule("Local sockets.", "socket:41:198", ((0, WORD, _AF_UNIX),)),
    Rule(
        "The kernel's list of network interfaces (protocol 0), which the C library asks for.",
        "socket:41:198",
        ((0, WORD, _AF_NETLINK), (2, WORD, 0)),
    ),
    *(
        Rule(
            "TCP and UDP over IP; 0 is the default of the socket's type.",
            "socket:41:198",
            ((0, WORD, family), (2, WORD, protocol)),
        )
        for family in (_AF_INET, _AF_INET6)
        for protocol in (0, _TCP, _UDP)
    ),
    Rule("Named pipes, no devices.", "mknod:133:-", ((1, 0o170000, stat.S_IFIFO),)),
    Rule("Named pipes, no devices.", "mknodat:259:33", ((2, 0o170000, stat.S_IFIFO),)),
)


def names(calls: str) -> tuple[str, ...]:
    """Return the names of the calls in a table's text."""
    return tuple(word.partition(":")[0] for word in calls.split())


def numbers(calls: str, machine: str) -> Iterator[int]:
    """Return the calls' numbers on one of ``MACHINES``, without those that it lacks."""
    column = 1 + MACHINES.index(machine)
    for word in calls.split():
        number = word.split(":")[column]
        if number != "-":
            yield int(number)
