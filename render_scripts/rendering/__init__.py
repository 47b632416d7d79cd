"""What the render scripts share: options, objects, scene, cameras, pictures, folders."""
