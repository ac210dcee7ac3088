{
  'targets': [
    {
      'target_name': 'domctl_native',
      'sources': [
        'src/addon.cc',
        'src/arguments.cc',
        'src/child.cc',
        'src/interfaces.cc',
        'src/locks.cc',
        'src/notify.cc',
        'src/peer.cc',
        'src/pidfd.cc',
        'src/process.cc',
        'src/spawn.cc',
        'src/spawn_plan.cc',
        'src/watch.cc',
      ],
      # Not node-addon-api's own gyp target: gyp would write its makefiles into native/node_modules.
      'include_dirs': ["<!(node -p \"require('node-addon-api').include_dir\")"],
      'defines': ['NAPI_VERSION=8', 'NAPI_CPP_EXCEPTIONS', '_FILE_OFFSET_BITS=64'],
      'cflags': ['-Wall', '-Wextra', '-Werror'],
      'cflags_cc': ['-std=c++17', '-fexceptions', '-fvisibility=hidden'],
      'cflags_cc!': ['-std=gnu++17', '-std=gnu++20', '-fno-exceptions'],
    },
    {
      # Has nothing of Node in it; teardown/README.md builds it by one call of cc.
      'target_name': 'asyncteardown',
      'type': 'shared_library',
      'product_prefix': 'lib',
      'product_dir': '<(PRODUCT_DIR)',
      'sources': [
        'teardown/clone.c',
        'teardown/helper.c',
        'teardown/maps.c',
        'teardown/preload.c',
        'teardown/release.c',
        'teardown/sandbox.c',
        'teardown/settings.c',
        'teardown/work.c',
      ],
      'cflags': [
        '-Wall',
        '-Wextra',
        '-Werror',
        '-fPIC',
        '-fvisibility=hidden',
        # Nothing in the helper may call libc, not even where the compiler thinks of it by itself.
        '-ffreestanding',
        '-fno-stack-protector',
        '-fno-tree-loop-distribute-patterns',
        '-U_FORTIFY_SOURCE',
      ],
      'cflags_c': ['-std=gnu11'],
      'ldflags': ['-Wl,-z,now', '-Wl,-z,relro', '-Wl,-soname,libasyncteardown.so'],
      'conditions': [['target_arch=="arm64"', {'cflags': ['-mno-outline-atomics']}]],
    },
    {
      # A program of its own, without Node or anything else in it: see guard/README.md.
      'target_name': 'domctl-brake',
      'type': 'executable',
      'sources': [
        'guard/brake.c',
        'guard/main.c',
        'guard/memory.c',
        'guard/turn.c',
        'guard/words.c',
      ],
      'cflags': ['-Wall', '-Wextra', '-Werror'],
      'cflags_c': ['-std=gnu11'],
      'ldflags': ['-Wl,-z,now', '-Wl,-z,relro'],
    },
  ],
}
