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
  ],
}
