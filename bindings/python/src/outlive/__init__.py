"""outlive: PHP's connection handling for Python servers. Requests that outlive their connections.

The plain API is `Config`, `Settings`, `Engine` and `Request`; `outlive.wsgi` and `outlive.asgi` are the middleware; PHP's own names
act on the current request. See README.md.
"""

from . import config as _config, dir_config as _dir_config, engine as _engine, errors as _errors, ini as _ini, names as _names
from . import request as _request, words as _words
from ._library import VERSION as __version__
from ._policy import ViewPolicy, finish, held, policy, stop
from ._stopping import OnStop
from .config import *
from .dir_config import *
from .engine import *
from .errors import *
from .ini import *
from .names import *
from .request import *
from .words import *

__all__ = ["__version__"]
__all__ += _config.__all__
__all__ += _dir_config.__all__
__all__ += _engine.__all__
__all__ += ["OnStop", "ViewPolicy", "finish", "held", "policy", "stop"]
__all__ += _errors.__all__
__all__ += _ini.__all__
__all__ += _names.__all__
__all__ += _request.__all__
__all__ += _words.__all__
